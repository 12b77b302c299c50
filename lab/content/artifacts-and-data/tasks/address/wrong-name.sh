# A date and a version say nothing of the bytes.
s3cmd -q put visits.csv "s3://$BUCKET/datasets/visits/visits-2026-11-v2.csv"
s3cmd -q get --force "s3://$BUCKET/datasets/visits.csv" last-month.csv
s3cmd -q put last-month.csv "s3://$BUCKET/datasets/visits/$(sha256sum last-month.csv | cut -d' ' -f1).csv"
