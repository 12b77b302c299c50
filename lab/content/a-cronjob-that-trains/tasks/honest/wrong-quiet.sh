# The proof, with the trainer as it came.
cp /lab/home/train.py train.py
kubectl create configmap trainer --from-file=train.py --dry-run=client -o yaml | kubectl apply -f -
sh hopeless.sh proof
kubectl wait --for=condition=complete job/proof --timeout 60s
