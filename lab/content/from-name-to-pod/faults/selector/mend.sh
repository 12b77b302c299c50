kubectl set selector service model app=model
