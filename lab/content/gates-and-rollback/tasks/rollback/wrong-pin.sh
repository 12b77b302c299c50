# Nothing new comes, but the committee stays.
./api "deployments/$PROJECT/pin" -X POST
