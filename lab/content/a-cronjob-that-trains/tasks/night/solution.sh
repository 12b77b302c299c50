kubectl patch cronjob train -p '{"spec":{"schedule":"30 2 * * *","timeZone":"Europe/Berlin","startingDeadlineSeconds":3600}}'
