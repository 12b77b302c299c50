kubectl patch cronjob train --type merge -p '{"spec":{"schedule":"* * * * *","timeZone":null,"startingDeadlineSeconds":null}}'
