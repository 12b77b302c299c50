digest=$(sha256sum visits.csv | cut -d' ' -f1)
if [ "$(sh show.sh | jq -r '.[0].digest // ""')" = "$(echo "$digest" | cut -c1-32)" ] && sh show.sh | jq -e '.[0].source | contains("datasets/visits/")' >/dev/null; then exit 0; fi
python3 train.py "s3://$BUCKET/datasets/visits/$digest.csv"
