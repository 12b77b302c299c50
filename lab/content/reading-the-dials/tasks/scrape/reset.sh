kubectl patch deployment caller -n "$LAB" -p '{"spec": {"template": {"metadata": {"annotations": null}}}}'
