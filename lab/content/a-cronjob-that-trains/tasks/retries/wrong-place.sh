# The limits are there, but the Job was made before: it goes on trying.
sh hopeless.sh enough
kubectl patch cronjob train -p '{"spec":{"jobTemplate":{"spec":{"backoffLimit":1,"activeDeadlineSeconds":300}}}}'
