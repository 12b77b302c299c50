kubectl patch service model --type json -p '[{"op":"replace","path":"/spec/ports/0/targetPort","value":8081}]'
