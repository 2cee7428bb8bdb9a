using ConcertSaga.Points;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Messaging;

return await ServiceHost.RunAsync("points", args,
    builder =>
    {
        builder.AddPoints();
        builder.AddMessaging(bus => bus.AddPointsConsumers());
    },
    app => app.MapPoints());
