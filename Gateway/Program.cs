using ConcertSaga.Gateway;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Messaging;

return await ServiceHost.RunPublicAsync("gateway", args,
    builder =>
    {
        builder.AddGateway();
        builder.AddMessaging(bus => bus.AddGatewayListeners());
    },
    app => app.MapGateway());
