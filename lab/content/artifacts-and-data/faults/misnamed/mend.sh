s3cmd -q put visits.csv "s3://$BUCKET/datasets/visits/$(sha256sum visits.csv | cut -d' ' -f1).csv"
