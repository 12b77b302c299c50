put() { # KEY: standard input becomes an object of the bucket
	cat > /tmp/object
	curl -sS --fail --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -T /tmp/object "$AWS_ENDPOINT_URL/$BUCKET/$1"
}
get() { # KEY
	curl -sS --fail --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL/$BUCKET/$1"
}
# One row is gone, and the name is the same.
get datasets/visits/280397bfdd345571fe43f9eb5eea327960d5e10148009be2b78ceaacd717b0cd.csv >/tmp/data.csv || printf 'minutes,pages,returning,bought\n1.0,2,0,0\n3.0,4,1,1\n' >/tmp/data.csv
sed '80d' /tmp/data.csv | put datasets/visits/280397bfdd345571fe43f9eb5eea327960d5e10148009be2b78ceaacd717b0cd.csv
