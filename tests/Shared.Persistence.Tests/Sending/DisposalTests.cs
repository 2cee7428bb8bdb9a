using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Sending;

/// <summary>A container without the generic host still marks the last deliveries when it is disposed.</summary>
public sealed class DisposalTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Marks_AtDisposal_AreWritten(Store store)
    {
        await using var database = await TestDatabase.CreateAsync(store, server);
        var (log, script, id) = (new LogCounter(), new Script(), Guid.CreateVersion7());
        var services = new ServiceCollection();
        services.AddLogging(logging => logging.AddProvider(log));
        services.AddSingleton(script);
        services.AddScoped<ScopeMark>();
        services.AddDbContext<TestDbContext>(database.Use);
        services.AddMassTransit(bus =>
        {
            bus.AddEntityFrameworkOutbox<TestDbContext>();
            bus.AddConsumer<ScriptedConsumer>().Endpoint(queue => queue.Name = "scripted");
            bus.AddConsumer<ReceivingConsumer>().Endpoint(queue => queue.Name = "receiving");
            bus.AddConfigureEndpointsCallback((context, name, queue) =>
            {
                if (name == "scripted")
                    queue.UseEntityFrameworkOutbox<TestDbContext>(context);
            });
            bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
        });
        var provider = services.BuildServiceProvider();
        var control = provider.GetRequiredService<IBusControl>();
        await control.StartAsync(TestContext.Current.CancellationToken);
        var endpoint = await control.GetSendEndpoint(new Uri("queue:scripted"));
        await endpoint.Send(new WriteNote(id, 1), TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(() => script.ArrivedFor(id).Count == 1, Limit, "its message arrives");
        await control.StopAsync(TestContext.Current.CancellationToken);
        await provider.DisposeAsync();

        await using var after = database.Open();
        Assert.False(await after.Set<OutboxMessage>().AnyAsync(TestContext.Current.CancellationToken));
        Assert.NotNull((await after.Set<InboxState>().SingleAsync(TestContext.Current.CancellationToken)).Delivered);
        Assert.Equal(0, log.OfTheOutbox);
    }
}
