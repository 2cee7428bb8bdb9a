using ConcertSaga.Testing.Servers;

namespace ConcertSaga.Shared.Persistence.Tests.Crashes;

/// <summary>Shares a virtual host among the tests of a class, because creating one takes longer than a test.</summary>
public sealed class CrashBroker(RabbitMqServer server)
{
    private readonly Lazy<Task<string>> _address = new(() => server.CreateVirtualHostAsync("crashes"));

    public Task<string> AddressAsync() => _address.Value;
}
