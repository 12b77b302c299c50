if [ ! -e last-month.csv ]; then s3cmd -q get "s3://$BUCKET/datasets/visits.csv" last-month.csv; fi
for file in visits.csv last-month.csv; do
	s3cmd -q put "$file" "s3://$BUCKET/datasets/visits/$(sha256sum "$file" | cut -d' ' -f1).csv"
done
