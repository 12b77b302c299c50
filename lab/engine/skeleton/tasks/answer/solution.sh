kubectl apply -f "$HOME/hello.yaml"
