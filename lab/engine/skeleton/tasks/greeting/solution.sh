kubectl create configmap greeting --from-literal hello=hello --dry-run=client -o yaml | kubectl apply -f -
