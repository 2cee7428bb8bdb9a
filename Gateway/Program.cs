using ConcertSaga.Gateway;
using ConcertSaga.Shared.Hosting;

return await ServiceHost.RunPublicAsync("gateway", args, builder => builder.AddGateway(), app => app.MapGateway());
