kubectl -n "$LAB" patch service hello --type merge -p '{"spec":{"selector":{"app":"hallo"}}}'
