using ConcertSaga.Orchestrator;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Messaging;

return await ServiceHost.RunAsync("orchestrator", args,
    builder =>
    {
        builder.AddOrchestrator();
        builder.AddMessaging(bus => bus.AddOrchestratorConsumers(builder.Configuration));
    },
    app => app.MapOrchestrator(),
    OrchestratorService.RequireSeatsAddress);
