python3 train.py "s3://$BUCKET/datasets/visits/$(sha256sum visits.csv | cut -d' ' -f1).csv"
