using MassTransit;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

/// <summary>A unit of work outside a consumer, such as an HTTP request.</summary>
internal sealed class UnitOfWork(OutboxHost host) : IAsyncDisposable
{
    private readonly AsyncServiceScope _scope = host.Services.CreateAsyncScope();

    public TestDbContext Database => _scope.ServiceProvider.GetRequiredService<TestDbContext>();

    private IPublishEndpoint Endpoint => _scope.ServiceProvider.GetRequiredService<IPublishEndpoint>();

    public Task PublishAsync(NoteWritten message, Action<PublishContext<NoteWritten>>? configure = null) =>
        configure is null ? Endpoint.Publish(message) : Endpoint.Publish(message, configure);

    public Task SaveAsync() => Database.SaveChangesAsync();

    public ValueTask DisposeAsync() => _scope.DisposeAsync();
}
