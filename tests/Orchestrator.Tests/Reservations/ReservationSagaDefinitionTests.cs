using System.Text.Json;
using ConcertSaga.Orchestrator.Tests.Hosts;
using MassTransit;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary>Reads the limits of the saga's queue from the bus, because a later setting would override those of the definition.</summary>
public sealed class ReservationSagaDefinitionTests(OrchestratorHost host) : IClassFixture<OrchestratorHost>
{
    [Fact]
    public void Endpoint_OfTheSaga_TakesFourTimesAsManyMessagesAsAnyOther()
    {
        var probe = JsonSerializer.SerializeToElement(host.Bus.GetProbeResult().Results);
        var limits = probe.GetProperty("bus").GetProperty("host").GetProperty("receiveEndpoint").EnumerateArray()
            .Select(endpoint => endpoint.GetProperty("receiveTransport"))
            .Where(transport => transport.TryGetProperty("concurrentMessageLimit", out _))
            .Select(transport => (transport.GetProperty("prefetchCount").GetInt32(),
                transport.GetProperty("concurrentMessageLimit").GetInt32()))
            .Distinct();

        Assert.Equal([(64, 64), (256, 256)], limits.Order());
    }
}
