kubectl patch cronjob train -p '{"spec":{"jobTemplate":{"spec":{"backoffLimit":1,"activeDeadlineSeconds":300}}}}'
sh hopeless.sh enough
kubectl wait --for=condition=failed job/enough --timeout 90s
