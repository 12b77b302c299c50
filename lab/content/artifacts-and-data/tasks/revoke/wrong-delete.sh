# The script is gone. The key goes on opening what it opened.
s3cmd -q del "s3://$BUCKET/jobs/nightly.sh"
