kubectl set env deployment/batch TABLE_MIB=160
