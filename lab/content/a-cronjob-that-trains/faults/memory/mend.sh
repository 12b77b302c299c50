kubectl patch cronjob train -p '{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"train","resources":{"requests":{"memory":"64Mi"},"limits":{"memory":"400Mi"}}}]}}}}}}'
job=again-$(date +%s)
kubectl create job "$job" --from=cronjob/train
kubectl wait --for=condition=complete "job/$job" --timeout 80s
