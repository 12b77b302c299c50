kubectl patch service model --type merge -p '{"spec":{"selector":{"app":"modle"}}}'
