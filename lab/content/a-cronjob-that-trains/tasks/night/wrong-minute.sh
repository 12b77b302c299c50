# Every minute of the hour from two to three, and the fields in the wrong order.
kubectl patch cronjob train -p '{"spec":{"schedule":"2 30 1 * *","timeZone":"Europe/Berlin","startingDeadlineSeconds":3600}}' ||
  kubectl patch cronjob train -p '{"spec":{"schedule":"* 2 * * *","timeZone":"Europe/Berlin","startingDeadlineSeconds":3600}}'
