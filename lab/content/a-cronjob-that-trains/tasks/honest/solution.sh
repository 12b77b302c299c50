sed -i 's/^    print(f"warning: .*/    raise/' train.py
kubectl create configmap trainer --from-file=train.py --dry-run=client -o yaml | kubectl apply -f -
sh hopeless.sh proof
