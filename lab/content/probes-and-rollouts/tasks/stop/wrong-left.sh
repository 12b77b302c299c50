kubectl set env deployment/model MODEL=v3
