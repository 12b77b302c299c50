# By its old name: tomorrow it may be another file.
python3 train.py "s3://$BUCKET/datasets/visits.csv"
