using System.Reflection;
using MassTransit;

namespace ConcertSaga.Simulation.Tests;

/// <summary>A bus that is connected. Nothing else of it is used.</summary>
public class HealthyBus : DispatchProxy
{
    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod!.Name == nameof(IBusControl.CheckHealth)
        ? BusHealthResult.Healthy("", new Dictionary<string, EndpointHealthResult>())
        : throw new NotSupportedException($"{targetMethod.Name} is not simulated.");
}
