kubectl set env deployment/shop MODEL_URL=http://model.warehouse
