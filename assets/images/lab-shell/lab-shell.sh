#!/bin/sh
# The first process of a guided lab's containers. It puts what a shell needs into the home, and then waits: shells and
# scripts come by exec. What is there already stays, for it may be the learner's.
set -eu
umask 077
cd "$HOME"

for file in /lab/home/*; do
	name=${file##*/}
	if [ ! -f "$file" ] || [ -e "$name" ]; then continue; fi
	cat "$file" >"$name"
	# A ConfigMap keeps no modes.
	if [ "$(head -c 2 "$name")" = '#!' ]; then chmod 700 "$name"; fi
done

# write FILE puts standard input into a file that is not there yet.
write() {
	if [ ! -e "$1" ]; then cat >"$1"; fi
}

mkdir -p .kube
write .kube/config <<END
apiVersion: v1
kind: Config
current-context: lab
clusters:
- name: lab
  cluster:
    server: https://kubernetes.default.svc
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
users:
- name: lab
  user:
    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
contexts:
- name: lab
  context: {cluster: lab, user: lab, namespace: ${LAB:-default}}
END

write .bashrc <<'END'
PS1='\[\e[1;36m\]\w\[\e[0m\] \$ '
HISTSIZE=5000
HISTCONTROL=ignoreboth
shopt -s checkwinsize histappend
alias k=kubectl
alias ll='ls -l'
END

write .tmux.conf <<'END'
set -g status off
set -g mouse off
set -g history-limit 5000
set -g escape-time 10
set -g default-terminal tmux-256color
set -g default-command /usr/bin/bash
set -g window-size latest
# Without the alternate screen, lines that leave the top can be scrolled back to in the terminal itself.
set -as terminal-overrides ',*:smcup@:rmcup@'
END

s3=${AWS_ENDPOINT_URL:-http://s3.benchtop.svc:9000}
case $s3 in https:*) https=True ;; *) https=False ;; esac
s3=${s3#*://}
write .s3cfg <<END
[default]
access_key = ${AWS_ACCESS_KEY_ID:-}
secret_key = ${AWS_SECRET_ACCESS_KEY:-}
host_base = ${s3%/}
host_bucket = ${s3%/}
bucket_location = ${AWS_DEFAULT_REGION:-us-east-1}
use_https = $https
guess_mime_type = True
use_mime_magic = False
END

write .gitconfig <<'END'
[user]
	name = learner
	email = learner@lab.internal
[init]
	defaultBranch = main
END

# The first process of a container gets orphans, and no signal that it does not ask for. The shell's wait collects the
# former.
trap 'exit 0' TERM INT
while :; do
	sleep 86400 &
	wait $! || true
done
