# Writes an expression into the ConfigMap dials, and shows what it reads: sh dial.sh NAME 'EXPRESSION'
kubectl patch configmap dials --type merge -p "$(jq -n --arg name "$1" --arg expression "$2" '{data: {($name): $expression}}')"
sh ask.sh "$2"
