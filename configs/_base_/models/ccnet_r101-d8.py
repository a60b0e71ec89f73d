_base_ = './ccnet_r50-d8.py'

model = dict(pretrained='resnet101-v1c', backbone=dict(depth=101))
