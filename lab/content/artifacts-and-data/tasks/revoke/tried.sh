# Does the leaked key still open anything, and does the script still have a token in it?
ci=$(kubectl get secret ci --ignore-not-found -o json)
if [ -z "$ci" ]; then echo "key unknown file unknown"; exit 0; fi
key=$(echo "$ci" | jq -r '.data | "\(.name | @base64d):\(.token | @base64d)"')
# S3 is asked, which counts no failed attempts: the API answers an address that has many with 429.
answer=$(curl -s -w ' %{http_code}' --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" --user "$key" "$AWS_ENDPOINT_URL/$BUCKET?list-type=2&max-keys=1")
case $answer in *InvalidAccessKeyId* | *SignatureDoesNotMatch*) key=dead ;; *) key=${answer##* } ;; esac
script=$(curl -s --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL/$BUCKET/jobs/nightly.sh")
case $script in *bt_*) file=dirty ;; *) file=clean ;; esac
echo "key $key file $file"
