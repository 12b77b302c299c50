put() { # KEY: standard input becomes an object of the bucket
	cat > /tmp/object
	curl -sS --fail --aws-sigv4 "aws:amz:$AWS_DEFAULT_REGION:s3" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -T /tmp/object "$AWS_ENDPOINT_URL/$BUCKET/$1"
}
nightly() { # NAME TOKEN
	put jobs/nightly.sh <<END
#!/bin/sh
# Every night at two: counts the visits. (Works on my machine. -- T.)
set -eu
s3cmd --access_key=$1 --secret_key=$2 get --force s3://$BUCKET/datasets/visits.csv /tmp/visits.csv
wc -l </tmp/visits.csv
END
}
put jobs/README.txt <<'END'
nightly.sh   counts the visits, runs in CI
weekly.sh    report for the board
old/         not used any more
END
put jobs/weekly.sh <<'END'
#!/bin/sh
# The key comes from the environment, where CI puts it.
set -eu
s3cmd --access_key="$AWS_ACCESS_KEY_ID" --secret_key="$AWS_SECRET_ACCESS_KEY" ls "s3://$BUCKET/datasets/"
END
put jobs/old/cleanup.sh <<'END'
#!/bin/sh
# secret_key=changeme (never was a key)
echo "nothing to do"
END
nightly "$LEAKED_KEY_NAME" "$LEAKED_KEY_SECRET"
kubectl create secret generic ci --dry-run=client -o yaml --from-literal=name="$LEAKED_KEY_NAME" --from-literal=token="$LEAKED_KEY_SECRET" | kubectl apply -f -
# Last month's data, under the same name as the file in the learner's home.
cat > /tmp/old.csv <<'END'
minutes,pages,returning,bought
18.9,24,1,1
22.3,17,0,0
25.3,8,0,1
14.3,8,1,1
16.5,19,0,1
8.7,13,0,0
23.0,3,0,0
4.4,1,0,0
23.3,6,0,0
16.4,22,0,1
5.9,23,0,1
9.3,12,1,1
5.4,5,1,0
18.3,1,1,0
2.4,12,1,0
14.7,23,0,1
2.2,1,1,0
23.7,12,1,1
17.6,1,1,0
28.7,7,0,1
22.8,15,1,1
7.9,15,0,0
17.9,12,1,1
3.2,11,1,1
27.6,11,1,1
9.7,11,1,0
5.7,3,0,0
14.8,24,0,1
2.9,20,1,1
10.6,9,1,1
19.7,5,0,1
24.1,11,0,1
4.4,24,0,0
3.6,14,1,0
4.9,14,1,1
18.8,6,1,1
28.8,23,1,1
12.4,5,0,0
11.6,18,0,0
10.5,3,1,0
8.5,18,1,0
11.0,19,0,1
22.9,12,1,1
29.4,23,1,1
28.7,11,0,1
16.6,9,1,1
20.3,15,1,1
24.0,12,1,1
19.5,24,1,1
26.2,23,1,1
29.3,11,0,1
25.2,16,1,1
20.9,24,1,1
17.6,22,1,1
9.4,18,1,1
5.2,15,0,0
7.0,22,0,1
14.4,8,0,0
2.1,5,0,0
6.2,2,1,0
14.2,13,0,0
27.1,1,1,1
12.5,9,1,1
16.6,2,1,0
3.3,18,1,1
10.9,5,1,0
12.6,19,1,1
11.8,16,0,0
29.1,20,0,1
0.5,4,1,0
17.2,20,0,1
17.1,14,1,1
29.3,16,1,1
11.8,6,1,0
22.4,10,1,1
28.4,10,1,1
27.9,5,1,1
28.8,8,1,1
1.7,5,1,0
8.6,16,0,0
END
put datasets/visits.csv </tmp/old.csv
