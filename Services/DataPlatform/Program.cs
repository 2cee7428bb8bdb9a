using ConcertSaga.DataPlatform;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Messaging;

return await ServiceHost.RunAsync("dataplatform", args,
    builder =>
    {
        builder.AddDataPlatform();
        builder.AddMessaging(bus => bus.AddDataPlatformConsumers());
    },
    app => app.MapDataPlatform(),
    DataPlatformService.RequireSettings);
