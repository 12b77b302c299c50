kubectl patch ingress model --type json -p "[{\"op\":\"replace\",\"path\":\"/spec/rules/0/host\",\"value\":\"www.${LAB}.${DOMAIN}\"}]"
