good=$(./api "deployments/$PROJECT/revisions" | jq "[.revisions[] | select(.approved_by and .live_at and (.override | not))][0].number")
./api "deployments/$PROJECT/rollback" -d "{\"to\": $good, \"reason\": \"the version that was approved\"}"
