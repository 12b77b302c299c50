# The proof, with the trainer as it was.
sh hopeless.sh proof
kubectl wait --for=condition=complete job/proof --timeout 60s
