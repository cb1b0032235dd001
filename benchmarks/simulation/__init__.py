"""The real `Pool` and policies in simulated time: servers, queues and traffic are models, what picks is what ships.

server, world   the model: servers with workers and a queue, clients with a pool each, requests at random moments
policies        by name, with the dice that they are to throw
tally           from requests to numbers
findings        what a scenario gives: tables, charts, and expectations that hold or are broken
scenarios       what is simulated: one file each
report, page, drawing   findings on a terminal, as a page of the documentation, as pictures
"""
