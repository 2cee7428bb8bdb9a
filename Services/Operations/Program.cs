using ConcertSaga.Operations;
using ConcertSaga.OperatorConsole;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Messaging;

return await ServiceHost.RunAsync("operations", args,
    builder =>
    {
        builder.AddOperations();
        builder.AddMessaging(bus => bus.AddOperationsConsumers());
    },
    app =>
    {
        app.MapOperations();
        app.MapConsole();
    },
    OperationsService.RequireAddresses);
