"""A Celery application that needs no server: messages and results are files below this folder.

It stands for any application; with a real broker only the two URLs below change.
"""
import os
import time

from celery import Celery

HERE = os.path.dirname(os.path.abspath(__file__))
QUEUE = os.path.join(HERE, "queue")

app = Celery("scan", broker="filesystem://", backend="file://" + QUEUE)
app.conf.update(
    broker_transport_options={
        "data_folder_in": QUEUE,
        "data_folder_out": QUEUE,
        "control_folder": QUEUE,
        "polling_interval": 0.2,
    },
    broker_connection_retry_on_startup=True,
    task_default_queue="touchscan",
)


@app.task
def count(folder):
    """How many files a folder holds, and which worker looked."""
    print("scanning", folder)
    found = sum(len(files) for _, _, files in os.walk(folder))
    return {"files": found, "worker": os.environ.get("SUPERVISOR_PROCESS_NAME")}


@app.task
def nap(seconds):
    """Takes its time, to show that a stop waits for the task in hand."""
    print("napping", flush=True)
    time.sleep(seconds)
    return "rested"
