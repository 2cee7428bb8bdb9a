using ConcertSaga.Queue;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Messaging;

return await ServiceHost.RunAsync("queue", args,
    builder =>
    {
        builder.AddQueue();
        builder.AddMessaging(bus => bus.AddQueueConsumers());
    },
    app => app.MapQueue(),
    QueueService.RequireAddresses);
