# Writes something into the ConfigMap findings: sh note.sh NAME VALUE
kubectl patch configmap findings --type merge -p "$(jq -n --arg name "$1" --arg value "$2" '{data: {($name): $value}}')"
