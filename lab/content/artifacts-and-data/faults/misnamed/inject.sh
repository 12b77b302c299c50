put() { # KEY: standard input becomes an object of the bucket
	cat > /tmp/object
	curl -sS --fail --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -T /tmp/object "$AWS_ENDPOINT_URL/$BUCKET/$1"
}
get() { # KEY
	curl -sS --fail --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL/$BUCKET/$1"
}
del() { # KEY
	curl -sS --fail -X DELETE --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL/$BUCKET/$1"
}
# Two digits of the name have changed places.
get datasets/visits/280397bfdd345571fe43f9eb5eea327960d5e10148009be2b78ceaacd717b0cd.csv | put datasets/visits/280397bfdd345571fe439feb5eea327960d5e10148009be2b78ceaacd717b0cd.csv
del datasets/visits/280397bfdd345571fe43f9eb5eea327960d5e10148009be2b78ceaacd717b0cd.csv
