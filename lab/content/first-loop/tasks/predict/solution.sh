wine=12.37,0.94,1.36,10.6,88,1.98,0.57,0.28,0.42,1.95,1.05,1.82,520
sh note.sh grower "$(curl -s "http://$ADDRESS/models/$PROJECT/predict?x=$wine" | jq -r '.predictions[0].class')"
