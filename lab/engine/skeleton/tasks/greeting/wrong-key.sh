kubectl create configmap greeting --from-literal hallo=hello --dry-run=client -o yaml | kubectl apply -f -
